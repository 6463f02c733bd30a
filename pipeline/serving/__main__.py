"""python -m pipeline.serving --help"""

from pipeline.serving.packaging import main

main()
