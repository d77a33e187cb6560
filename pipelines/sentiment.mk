# Praise or blame? From labelled text to a classifier and its scores: data → tokenize → train → evaluate.
# Each target is an artifact's manifest, which is written last, so make redoes what is missing and nothing else.
#
#   make -f pipelines/sentiment.mk                              the bundled Korean reviews, a convolutional network
#   make -f pipelines/sentiment.mk show MODEL=rnn               the same with a recurrent one; or MODEL=transformer
#   make -f pipelines/sentiment.mk DATA=nsmc WORK=work/nsmc     a folder with ratings_train.txt and ratings_test.txt
#   make -f pipelines/sentiment.mk DATA=rt-polaritydata ENCODING=latin-1 FOLDS=10 WORK=work/mr
#                                                               without a test split: ten folds and their mean

NLPCLI   ?= nlpcli
DATA     ?= reviews-ko
ENCODING ?= utf-8
WORK     ?= work/sentiment
MODEL    ?= cnn
KIND     ?= bpe
MINUTES  ?= 4
TRAIN    ?= --config pipelines/sentiment.toml
FOLDS    ?=
FOLD     ?=

THIS := $(firstword $(MAKEFILE_LIST))
PARTS = $(patsubst %,fold-%,$(shell seq 1 $(or $(FOLDS),0)))

.DELETE_ON_ERROR:
.PHONY: all scores show folds $(PARTS)
all: $(if $(FOLDS),folds,scores)

$(WORK)/data/manifest.json:
	$(NLPCLI) data prepare --data $(DATA) --task classify --encoding $(ENCODING) $(if $(FOLD),--fold $(FOLD)) --out $(@D) --force

$(WORK)/tokenizer-$(KIND)/manifest.json: $(WORK)/data/manifest.json
	$(NLPCLI) tokenize train --data $(WORK)/data --kind $(KIND) --out $(@D) --force

$(WORK)/dataset-$(KIND)/manifest.json: $(WORK)/tokenizer-$(KIND)/manifest.json
	$(NLPCLI) tokenize dataset --data $(WORK)/data --tokenizer $(WORK)/tokenizer-$(KIND) --out $(@D) --force

$(WORK)/$(MODEL)-$(KIND)/manifest.json: $(WORK)/dataset-$(KIND)/manifest.json
	$(NLPCLI) train $(MODEL) --data $(WORK)/dataset-$(KIND) --out $(@D) $(TRAIN) --max-minutes $(MINUTES) --resume auto

$(WORK)/$(MODEL)-$(KIND)-scores/manifest.json: $(WORK)/$(MODEL)-$(KIND)/manifest.json
	$(NLPCLI) evaluate --model $(WORK)/$(MODEL)-$(KIND) --data $(WORK)/data --out $(@D) --force

scores: $(WORK)/$(MODEL)-$(KIND)-scores/manifest.json

# A few texts with their label and the model's, and what to try next.
show: scores
	@paste $(WORK)/$(MODEL)-$(KIND)-scores/test.label $(WORK)/$(MODEL)-$(KIND)-scores/test.predicted \
	  $(WORK)/$(MODEL)-$(KIND)-scores/test.txt | head -n 8
	@echo
	@$(NLPCLI) evaluate --model $(WORK)/$(MODEL)-$(KIND) --data $(WORK)/data
	@echo "next: nlpcli classify --model $(WORK)/$(MODEL)-$(KIND) FILE --scores"
	@echo "      make -f $(THIS) show KIND=char    the same, read by characters"

$(PARTS): fold-%:
	@$(MAKE) --no-print-directory -f $(THIS) scores FOLDS= FOLD=$*/$(FOLDS) WORK=$(WORK)/$@

# The accuracy of each fold, their mean and standard deviation.
folds: $(PARTS)
	@for fold in $(PARTS); do \
	  awk -v fold=$$fold '/"accuracy"/ { gsub(/[^0-9.]/, "", $$2); print fold, $$2 }' \
	    $(WORK)/$$fold/$(MODEL)-$(KIND)-scores/manifest.json; \
	done | awk '{ print; sum += $$2; squares += $$2 * $$2 } \
	  END { mean = sum / NR; printf "mean %.2f, standard deviation %.2f\n", mean, sqrt((squares - NR * mean ^ 2) / (NR - 1)) }'
