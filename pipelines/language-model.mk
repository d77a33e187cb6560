# What comes next? From plain text to a language model, its perplexity and a text of its own.
# Each target is an artifact's manifest, which is written last, so make redoes what is missing and nothing else.
#
#   make -f pipelines/language-model.mk show                    the bundled Korean tales, a recurrent network on subwords
#   make -f pipelines/language-model.mk show KIND=char          on characters; or KIND=word
#   make -f pipelines/language-model.mk show MODEL=transformer
#   make -f pipelines/language-model.mk DATA=wikitext-2 KIND=word WORK=work/wikitext MINUTES=60

NLPCLI  ?= nlpcli
DATA    ?= tales-ko
WORK    ?= work/language-model
MODEL   ?= rnn
KIND    ?= bpe
MINUTES ?= 4
PROMPT  ?=
TRAIN   ?= --config pipelines/language-model.toml

.DELETE_ON_ERROR:
.PHONY: all scores show
all: scores

$(WORK)/data/manifest.json:
	$(NLPCLI) data prepare --data $(DATA) --task lm --out $(@D) --force

$(WORK)/tokenizer-$(KIND)/manifest.json: $(WORK)/data/manifest.json
	$(NLPCLI) tokenize train --data $(WORK)/data --kind $(KIND) --out $(@D) --force

$(WORK)/dataset-$(KIND)/manifest.json: $(WORK)/tokenizer-$(KIND)/manifest.json
	$(NLPCLI) tokenize dataset --data $(WORK)/data --tokenizer $(WORK)/tokenizer-$(KIND) --out $(@D) --force

$(WORK)/$(MODEL)-$(KIND)/manifest.json: $(WORK)/dataset-$(KIND)/manifest.json
	$(NLPCLI) train $(MODEL) --data $(WORK)/dataset-$(KIND) --out $(@D) $(TRAIN) --max-minutes $(MINUTES) --resume auto

$(WORK)/$(MODEL)-$(KIND)-scores/manifest.json: $(WORK)/$(MODEL)-$(KIND)/manifest.json
	$(NLPCLI) evaluate --model $(WORK)/$(MODEL)-$(KIND) --data $(WORK)/data --out $(@D) --force

scores: $(WORK)/$(MODEL)-$(KIND)-scores/manifest.json

# The scores, a text the model writes, and what to try next.
show: scores
	@$(NLPCLI) generate --model $(WORK)/$(MODEL)-$(KIND) --prompt "$(PROMPT)" --max-tokens 150
	@echo
	@$(NLPCLI) evaluate --model $(WORK)/$(MODEL)-$(KIND) --data $(WORK)/data
	@echo "next: make -f pipelines/language-model.mk show KIND=char    bits per character compare across kinds"
	@echo "      nlpcli generate --model $(WORK)/$(MODEL)-$(KIND) --temperature 0.5 --seed 2"
