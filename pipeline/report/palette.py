"""Colours of the figures: three to one against white paper and against dark, and told apart by colour-blind eyes.

From Okabe and Ito, the light ones darkened. Where colour alone would tell lines apart, markers do too.
"""

BLUE, VERMILION, GREEN, PURPLE, GOLD = "#0f7fc0", "#d55e00", "#0a9a73", "#b9659b", "#a87b00"
SKY, GREY = "#4b91bd", "#858c93"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, GOLD, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P")
