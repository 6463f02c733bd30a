"""How the page looks: light and dark, wide and narrow, on screen and on paper. No font or picture is loaded."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --raised: #ffffff; --ink: #1c2126; --soft: #5b646d; --line: #e4e0d9; --link: #0b5f97;
  --good: #0a6b4b; --good-wash: #e8f4ee; --bad: #a8430a; --bad-wash: #fbeee5; --shade: #0000000d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --raised: #1b1f23; --ink: #e6e4e0; --soft: #a2aab2; --line: #2f353b; --link: #7cc0f2;
    --good: #6fd0a8; --good-wash: #16281f; --bad: #f2a272; --bad-wash: #2d1f16; --shade: #00000059;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
        "Microsoft YaHei", sans-serif; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: .2em; }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.sheet { max-width: 50rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
header h1 { font-size: clamp(1.9rem, 6vw, 2.6rem); line-height: 1.15; letter-spacing: -.02em; margin: 0 0 .4rem; }
header p { margin: 0; color: var(--soft); font-size: .9rem; }
nav { margin: 1.6rem 0 0; padding: .9rem 0; border-block: 1px solid var(--line); font-size: .9rem; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .35rem 1.2rem; }
nav a { color: var(--soft); text-decoration: none; } nav a:hover { color: var(--link); text-decoration: underline; }
section { margin-top: 3.2rem; }
h2 { font-size: 1.45rem; line-height: 1.25; letter-spacing: -.01em; margin: 0 0 1rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
p { margin: 0 0 1rem; max-width: 42rem; }
p.lead { font-size: 1.08rem; } p.note { color: var(--soft); margin-top: 1.4rem; }
p.aside, p.source { color: var(--soft); font-size: .82rem; margin: .45rem 0 1.4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1.6rem 0; }
.tile { background: var(--raised); border: 1px solid var(--line); border-radius: .7rem; padding: .9rem 1rem;
  box-shadow: 0 1px 3px var(--shade); }
.tile b { display: block; font-size: 1.75rem; line-height: 1.25; letter-spacing: -.02em; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.tile b a { color: inherit; text-decoration-color: var(--line); }
.tile span { display: block; font-size: .82rem; color: var(--soft); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); gap: 1rem; }
.list { border-radius: .7rem; padding: 1rem 1.1rem; }
.list.won { background: var(--good-wash); } .list.lost { background: var(--bad-wash); }
.list.won h3, .list.won i { color: var(--good); } .list.lost h3, .list.lost i { color: var(--bad); }
.list ul { list-style: none; margin: 0; padding: 0; font-size: .9rem; line-height: 1.45; }
.list li { padding: .3rem 0 .3rem 1.4rem; text-indent: -1.4rem; }
.list i { display: inline-block; width: 1.4rem; text-indent: 0; font-style: normal; }
.scroll { overflow-x: auto; margin: 1rem 0; background:
  linear-gradient(90deg, var(--paper) 30%, transparent) left / 2.5rem 100% no-repeat local,
  linear-gradient(270deg, var(--paper) 30%, transparent) right / 2.5rem 100% no-repeat local,
  radial-gradient(farthest-side at 0 50%, var(--shade), transparent) left / .9rem 100% no-repeat scroll,
  radial-gradient(farthest-side at 100% 50%, var(--shade), transparent) right / .9rem 100% no-repeat scroll; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; line-height: 1.45;
  font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .42rem 1.1rem .42rem 0; border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
th { color: var(--soft); font-weight: 600; font-size: .8rem; vertical-align: bottom; }
tbody tr:hover { background: var(--shade); }
td { min-width: 3rem; } .value { white-space: nowrap; } td.long { min-width: 12rem; }
.number { text-align: right; white-space: nowrap; }
.list b { font-variant-numeric: tabular-nums; }
td a, .list a { color: inherit; text-decoration-color: var(--soft); text-decoration-style: dotted; }
td a:hover, .list a:hover { color: var(--link); }
td.better { color: var(--good); white-space: nowrap; } td.worse { color: var(--bad); white-space: nowrap; }
td.changed { color: var(--soft); white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.2rem; }
figure { margin: 1.2rem 0; min-width: 0; } figure svg { display: block; width: 100%; height: auto; max-width: 36rem; }
figure h3 { font-size: .9rem; margin: 0 0 .3rem; }
figcaption { color: var(--soft); font-size: .88rem; line-height: 1.5; margin-top: .5rem; max-width: 40rem; }
details { border: 1px solid var(--line); border-radius: .6rem; margin: .7rem 0; padding: 0 1rem; }
summary { cursor: pointer; padding: .6rem 0; color: var(--link); font-size: .92rem; }
details[open] { padding-bottom: .6rem; } details .scroll { background: none; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .82rem; }
@media (max-width: 37.5rem) {
  th, td { padding-right: .8rem; } td.long { min-width: 8rem; } .value { white-space: normal; min-width: 7.5rem; }
}
@media (min-width: 75rem) {
  .sheet { max-width: 66rem; display: grid; grid-template-columns: 12rem minmax(0, 50rem); column-gap: 4rem; }
  .sheet > * { grid-column: 2; }
  .sheet > nav { grid-column: 1; grid-row: 1 / span 40; border: 0; margin: 0; padding: .4rem 0; align-self: start;
    position: sticky; top: 2.5rem; }
  nav ul { flex-direction: column; gap: .55rem; }
}
@media print {
  nav { display: none; } body { font-size: 11pt; } details > * { display: block; }
  section { break-inside: auto; } figure, .tile, .list { break-inside: avoid; } .scroll { overflow: visible; }
}
"""
