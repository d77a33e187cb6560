# Word vectors of one language: text → pieces → vectors → nearest words, a plot, and a model that begins from them.
#
#   make -f pipelines/embeddings.mk                                    the bundled sample's Korean side
#   make -f pipelines/embeddings.mk DATA=reviews.txt LANGUAGE=ko UNIT=words WORK=work/reviews
#   make -f pipelines/embeddings.mk model                              a translation model that begins from the vectors

NLPCLI   ?= nlpcli
DATA     ?= ko-en
LANGUAGE ?= ko
WORK     ?= work/embeddings
UNIT     ?= pieces
DIM      ?= 128
TRAIN    ?= --max-minutes 4

.DELETE_ON_ERROR:
.PHONY: all show model
all: show

$(WORK)/tokenizer/manifest.json:
	$(NLPCLI) tokenize train --data $(DATA) --out $(@D) --force $(if $(filter ko-en,$(DATA)),,--lang $(LANGUAGE))

$(WORK)/vectors/manifest.json: $(WORK)/tokenizer/manifest.json
	$(NLPCLI) embed train --data $(DATA) --lang $(LANGUAGE) --unit $(UNIT) --dim $(DIM) --out $(@D) --force \
	  $(if $(filter pieces,$(UNIT)),--tokenizer $(WORK)/tokenizer)

$(WORK)/vectors.txt: $(WORK)/vectors/manifest.json
	$(NLPCLI) embed export --embeddings $(WORK)/vectors --out $@ --force

$(WORK)/vectors.html: $(WORK)/vectors/manifest.json
	$(NLPCLI) embed plot --embeddings $(WORK)/vectors --top 200 --out $@ --force

# Nearest words, and the files made.
show: $(WORK)/vectors.txt $(WORK)/vectors.html
	@$(NLPCLI) inspect $(WORK)/vectors
	@ls $(WORK)/vectors.txt $(WORK)/vectors.html

$(WORK)/dataset/manifest.json: $(WORK)/tokenizer/manifest.json
	$(NLPCLI) tokenize dataset --data $(DATA) --tokenizer $(WORK)/tokenizer --out $(@D) --force

$(WORK)/attention/manifest.json: $(WORK)/dataset/manifest.json $(WORK)/vectors/manifest.json
	$(NLPCLI) train attention --data $(WORK)/dataset --embeddings $(WORK)/vectors --d-embed $(DIM) --out $(@D) $(TRAIN) --resume auto

model: $(WORK)/attention/manifest.json
