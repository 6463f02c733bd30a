// The page's behaviour: words in two languages, tabs, and forms that ask the server. Text is only ever set as text.

const WORDS = {
  en: {
    other: "中文", subtitle: "Finished models to try, in", search: "Search", paraphrase: "Paraphrases",
    similarity: "Similarity", path: "Between two", guess: "Gaps",
    search_lead: "Lines of your own, and those of them that are nearest to what you ask.",
    lines: "Lines, one text each", open_file: "From a file", encoder: "Encoder", query: "Looking for",
    paraphrase_lead: "Other ways to say a sentence, by what was learnt of similar sentences; the score is the cosine with it.",
    sentence: "Sentence", freely: "written freely, not edited", distance: "At least so different from it:",
    similarity_lead: "How alike two sentences are, by every model there is.",
    first: "One sentence", second: "Another", compare: "Compare",
    path_lead: "Sentences on the way from one to another, along the latent space of the text VAE.",
    vae: "Text VAE", go: "Go", share: "So far on the way:",
    guess_lead: "What the language model expects at each [MASK].", gaps: "A sentence with [MASK] in it",
    language: "Language model", fill: "Fill in", kept: "Everything stays on this machine, and nothing is kept.",
    task: "Tasks", task_lead: "What a model says that was fine-tuned on a task, and how sure it is.",
    task_model: "Task", text: "Text", judge: "Ask", no_entity: "Nothing found.",
    card: "Cards", card_lead: "What each model is, what it was trained on, how good it is, and how it is used.",
    model: "Model", show: "Show", rows_only: "This task reads rows with other fields: rosphere predict takes them from a file.",
    working: "Working …", none: "Nothing.", no_edit: "No edit fits this sentence; try it written freely.", only_edits: "No edit fits this sentence.",
    none_far: "None is so different.", no_model: "No model of this kind is here.", cosine: "cosine",
    far: "different", line: "line", means: "means of tokens", blank: "Please write something.",
    too_many: (most, got) => `At most ${most} lines, there are ${got}.`,
    too_long: (most, line) => `At most ${most} characters a line; line ${line} is longer.`,
    lost: "The server does not answer; is `rosphere try` still running?",
    examples: { query: "怎么挂失银行卡", source: "怎么挂失银行卡", first: "酒店很干净", second: "房间打扫得很好", from: "酒店很干净",
      to: "这本书很有意思", gaps: "今天天气[MASK][MASK]。",
      one: "酒店很干净，服务也很好", two: "怎么办理信用卡",
      lines: "银行卡丢了怎么办\n如何修改登录密码\n快递什么时候到\n酒店几点可以入住\n怎么取消订单" },
  },
  zh: {
    other: "English", subtitle: "试用已训练好的模型：", search: "搜索", paraphrase: "改写", similarity: "相似度", path: "插值", guess: "填空",
    search_lead: "粘贴自己的文本，一行一条，找出与查询最相近的。",
    lines: "文本，一行一条", open_file: "打开文件", encoder: "编码器", query: "查询",
    paraphrase_lead: "同一句话的其他说法，由相似句学得；分数是与原句的余弦。",
    sentence: "句子", freely: "自由生成，而不是编辑", distance: "与原句的差异至少：",
    similarity_lead: "两句话有多相近，每个模型各给一个分数。",
    first: "第一句", second: "第二句", compare: "比较",
    path_lead: "在文本 VAE 的隐空间里，从一句走到另一句。",
    vae: "文本 VAE", go: "生成", share: "走到：",
    guess_lead: "语言模型认为每个 [MASK] 处应是什么字。", gaps: "含有 [MASK] 的句子",
    language: "语言模型", fill: "填空", kept: "一切都在本机运行，不保存任何内容。",
    task: "任务", task_lead: "在某个任务上微调过的模型给出的答案及其概率。",
    task_model: "任务", text: "文本", judge: "预测", no_entity: "没有找到。",
    card: "模型卡片", card_lead: "每个模型是什么、用什么数据训练、效果如何、怎样使用（英文）。",
    model: "模型", show: "显示", rows_only: "该任务的输入另有字段：请用 rosphere predict 从文件读取。",
    working: "计算中……", none: "没有结果。", no_edit: "没有适用的改写；可以试试自由生成。", only_edits: "没有适用的改写。",
    none_far: "没有差异这么大的。", no_model: "这里没有这类模型。", cosine: "余弦",
    far: "差异", line: "第", means: "词向量平均", blank: "请先输入内容。",
    too_many: (most, got) => `最多 ${most} 行，现有 ${got} 行。`,
    too_long: (most, line) => `每行最多 ${most} 个字符；第 ${line} 行过长。`,
    lost: "服务器没有应答；`rosphere try` 还在运行吗？",
  },
};
WORDS.zh.examples = WORDS.en.examples;

const $ = (query, within = document) => within.querySelector(query);
const all = (query, within = document) => [...within.querySelectorAll(query)];
const made = (name, text = "", kind = "") => Object.assign(document.createElement(name), { textContent: text, className: kind });
let tongue = navigator.language.startsWith("zh") ? "zh" : "en";
let here = { encoders: [], writers: [], languages: [], vaes: [], tasks: [], fields: {}, lines: 0, characters: 0 };
let paraphrases = null, way = [], indexed = { of: "", name: "" };
const say = (key, ...given) => (typeof WORDS[tongue][key] === "function" ? WORDS[tongue][key](...given) : WORDS[tongue][key]);

function speak() {
  document.documentElement.lang = tongue === "zh" ? "zh-CN" : "en";
  all("[data-say]").forEach((each) => { each.textContent = say(each.dataset.say); });
  $("#tongue").textContent = say("other");
  $("#tongue").lang = tongue === "zh" ? "en" : "zh-CN";
  all(".answer").forEach((each) => each.replaceChildren());
  showParaphrases();
}

function choose(tab, focus = true) {
  all("[role=tab]").forEach((each) => {
    const chosen = each === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
  });
  if (focus) tab.focus();
  history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
}

async function ask(address, asked) {
  const options = asked && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked) };
  let response;
  try { response = await fetch(`/api/${address}`, options); } catch { throw new Error(say("lost")); }
  const found = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
  if (!response.ok) throw Object.assign(new Error(found.error), { status: response.status });
  return found;
}

function listed(rows) {
  const list = made("ol");
  for (const { text, aside, share } of rows) {
    const row = made("li");
    row.style.setProperty("--share", Math.max(0, Math.min(1, share ?? 0)));
    row.append(made("span", text), made("small", aside));
    list.append(row);
  }
  return list;
}

const shown = (number) => number.toFixed(3);
const spoken = (name) => (name === "." ? here.folder : name);

// What each form asks, and how its answer looks. Each gives back what is put below the form.
const FORMS = {
  async search({ lines, encoder, query }) {
    const texts = lines.split(/\r\n|\r|\n/).map((each) => each.trim()).filter(Boolean);
    const long = texts.findIndex((each) => [...each].length > here.characters);
    if (texts.length > here.lines) throw new Error(say("too_many", here.lines, texts.length));
    if (long >= 0) throw new Error(say("too_long", here.characters, long + 1));
    const of = JSON.stringify([encoder, texts]);
    const index = async () => { const found = await ask("index", { lines: texts, encoder }); indexed = { of, name: found.index, note: found.note }; };
    if (indexed.of !== of) await index();
    const search = () => ask("search", { index: indexed.name, query });
    const { results } = await search().catch(async (error) => {
      if (error.status !== 410) throw error;
      await index(); // the server has started again, or has let these lines go
      return search();
    });
    const rows = results.map(({ number, line, cosine }) => ({ text: line, aside: `${shown(cosine)}`, share: cosine, number }));
    return indexed.note ? [made("p", indexed.note, "note"), listed(rows)] : [listed(rows)];
  },
  async paraphrase({ text, encoder, freely }) {
    paraphrases = { freely, writes: here.writers.includes(encoder), results: (await ask("paraphrase", { text, encoder, freely, count: 30 })).results };
    showParaphrases();
    return null;
  },
  async similarity({ first, second }) {
    const { results } = await ask("similarity", { first, second });
    return [listed(results.map(({ name, kind, cosine }) => ({
      text: kind === "means" ? `${spoken(name)} (${say("means")})` : spoken(name), aside: shown(cosine), share: cosine })))];
  },
  async path({ first, last, vae }) {
    way = (await ask("path", { first, last, vae, steps: 9 })).results;
    const slider = $("#share");
    slider.max = way.length - 1;
    slider.value = 0;
    $(".way").hidden = false;
    showWay();
    return [listed(way.map(({ share, text }) => ({ text, aside: `${Math.round(share * 100)} %` })))];
  },
  async guess({ text, language }) {
    const { results } = await ask("guess", { text: text.replaceAll("＿", "[MASK]"), language });
    return results.flatMap((tokens, place) => [
      made("h2", `[MASK] ${place + 1}`),
      listed(tokens.map(({ token, probability }) => ({ text: token, aside: `${(probability * 100).toFixed(1)} %`, share: probability }))),
    ]);
  },
};

FORMS.task = async ({ task, one, two }) => {
  const texts = here.fields[task].length === 2 ? [one, two] : [one];
  const { answer, probabilities } = await ask("predict", { task, texts });
  if (probabilities.length) return [listed(probabilities.map(({ label, probability }) => ({ text: label, aside: `${(probability * 100).toFixed(1)} %`, share: probability })))];
  const mentions = Object.entries(answer).flatMap(([kind, found]) => Object.entries(found).map(([text, places]) => (
    { text, aside: `${kind}, ${places.map(([begin]) => begin + 1).join(", ")}` })));
  return mentions.length ? [listed(mentions)] : [made("p", say("no_entity"), "note")];
};

FORMS.card = async ({ model }) => [carded((await ask("card", { model })).text)];

// Of Markdown what a card has: headings, tables, code, paragraphs.
function carded(markdown) {
  const card = Object.assign(made("article"), { lang: "en" });
  for (const [block, language, code] of markdown.matchAll(/^```(.*)\n([^]*?)^```$|^[^\n]+(?:\n(?!```|#)[^\n]+)*/gm)) {
    const heading = /^(#+) (.*)/.exec(block);
    const below = heading ? block.slice(heading[0].length + 1) : block;
    if (heading) card.append(made(heading[1].length > 1 ? "h3" : "h2", heading[2]));
    if (language !== undefined) card.append(focusable(made("pre", code.trimEnd())));
    else if (below) card.append(below.startsWith("|") ? table(below) : made("p", plain(below)));
  }
  return card;
}

const plain = (text) => text.replace(/`/g, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
const focusable = (element) => Object.assign(element, { tabIndex: 0 }); // it scrolls sideways

function table(block) {
  const place = focusable(made("div", "", "wide")), found = made("table");
  const rows = block.split("\n").filter((line) => !/^[|\s-]+$/.test(line));
  rows.forEach((line, number) => {
    const row = made("tr");
    row.append(...line.split("|").slice(1, -1).map((cell) => made(number ? "td" : "th", plain(cell.trim()))));
    found.append(row);
  });
  place.append(found);
  return place;
}

// A task asks for one text or for two, or for more than this page has fields for.
function showTask() {
  const fields = here.fields[$("#task-model").value] ?? [], kind = fields.join();
  const pair = kind === "sentence1,sentence2", fits = pair || kind === "sentence" || kind === "text";
  $("#second-text").hidden = !pair;
  $("#two").required = pair;
  $("#task form button").disabled = !fits;
  $("#task .answer").replaceChildren(...(fits || !fields.length ? [] : [made("p", say("rows_only"), "note")]));
}

function showParaphrases() {
  const least = Number($("#distance").value);
  $("#distance-shown").textContent = least.toFixed(2);
  if (!paraphrases) return;
  const rows = paraphrases.results.filter(({ distance }) => distance >= least);
  const nothing = paraphrases.results.length ? "none_far" : paraphrases.freely ? "none" : paraphrases.writes ? "no_edit" : "only_edits";
  $("#paraphrase .answer").replaceChildren(rows.length ? listed(rows.map(({ text, cosine, distance }) => ({
    text, aside: `${say("cosine")} ${shown(cosine)}, ${say("far")} ${distance.toFixed(2)}`, share: cosine }))) : made("p", say(nothing), "note"));
}

function showWay() {
  const { share, text } = way[Number($("#share").value)];
  $("#share-shown").textContent = `${Math.round(share * 100)} %`;
  $("#share").setAttribute("aria-valuetext", text);
  $(".now").textContent = text;
}

async function submitted(event) {
  event.preventDefault();
  const panel = event.target.closest("section"), answer = $(".answer", panel), button = $("button", event.target);
  const asked = Object.fromEntries(new FormData(event.target));
  if ("freely" in event.target.elements) asked.freely = event.target.elements.freely.checked;
  button.disabled = true;
  answer.replaceChildren(made("p", say("working"), "note"));
  try {
    const found = await FORMS[panel.id](asked);
    if (found) answer.replaceChildren(...found);
  } catch (error) {
    answer.replaceChildren(made("p", error.message, "error"));
  } finally {
    button.disabled = false;
  }
}

async function filled() {
  here = await ask("models");
  $("#folder").textContent = here.folder;
  all("form > button").forEach((each) => { each.disabled = false; }); // nothing can be asked before it is known of whom
  for (const select of all("[data-models]")) {
    const names = here[select.dataset.models];
    select.replaceChildren(...names.map((name) => Object.assign(made("option", spoken(name)), { value: name })));
    if (!names.length) {
      const panel = select.closest("section");
      $("form button", panel).disabled = true;
      $(".answer", panel).replaceChildren(made("p", say("no_model"), "note"));
    }
  }
  if (here.tasks.length) showTask();
}

$("#tongue").addEventListener("click", () => { tongue = tongue === "zh" ? "en" : "zh"; speak(); });
$("#tabs").addEventListener("click", ({ target }) => { if (target.getAttribute("role") === "tab") choose(target); });
$("#tabs").addEventListener("keydown", (event) => {
  const tabs = all("[role=tab]"), at = tabs.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  choose(tabs.at(to % tabs.length));
});
all("form").forEach((form) => form.addEventListener("submit", submitted));
$("#distance").addEventListener("input", showParaphrases);
$("#share").addEventListener("input", showWay);
$("#task-model").addEventListener("change", showTask);
$("#file").addEventListener("change", async ({ target }) => { if (target.files[0]) $("#lines").value = await target.files[0].text(); });
for (const [name, text] of Object.entries(WORDS.en.examples)) document.getElementById(name).value = text;
const named = document.getElementById(`tab-${location.hash.slice(1)}`);
if (named) choose(named, false);
speak();
filled().catch((error) => $("#search .answer").replaceChildren(made("p", error.message, "error")));
