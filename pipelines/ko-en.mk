# Korean → English, from text to scores: data → tokenize → train → translate → evaluate. Word vectors: embeddings.mk.
# Each target is an artifact's manifest, which is written last, so make redoes what is missing and nothing else.
#
#   make -f pipelines/ko-en.mk                              the bundled sample, seq2seq
#   make -f pipelines/ko-en.mk MODEL=attention              the same with attention
#   make -f pipelines/ko-en.mk check clean stats            what is wrong with the data; mended; how the vocabulary fits
#   make -f pipelines/ko-en.mk DATA=corpora/ko-en WORK=work/mine MODEL=attention MINUTES=30

NLPCLI  ?= nlpcli
DATA    ?= ko-en
SRC     ?= ko
TGT     ?= en
WORK    ?= work
MODEL   ?= seq2seq
MINUTES ?= 4
BEAM    ?= 4
TRAIN   ?= --config pipelines/ko-en.toml

.DELETE_ON_ERROR:
.PHONY: all scores show check clean stats
all: scores

$(WORK)/data/manifest.json:
	$(NLPCLI) data prepare --data $(DATA) --src $(SRC) --tgt $(TGT) --out $(@D) --force

check:
	$(NLPCLI) data check --data $(DATA) --src $(SRC) --tgt $(TGT)

$(WORK)/clean/manifest.json:
	$(NLPCLI) data clean --data $(DATA) --src $(SRC) --tgt $(TGT) --out $(@D) --force

clean: $(WORK)/clean/manifest.json
	@echo "next: make -f pipelines/ko-en.mk DATA=$(WORK)/clean"

stats: $(WORK)/tokenizer/manifest.json
	$(NLPCLI) data stats --data $(WORK)/data
	$(NLPCLI) tokenize stats --tokenizer $(WORK)/tokenizer --data $(WORK)/data

$(WORK)/tokenizer/manifest.json: $(WORK)/data/manifest.json
	$(NLPCLI) tokenize train --data $(WORK)/data --out $(@D) --force

$(WORK)/dataset/manifest.json: $(WORK)/tokenizer/manifest.json
	$(NLPCLI) tokenize dataset --data $(WORK)/data --tokenizer $(WORK)/tokenizer --out $(@D) --force

$(WORK)/$(MODEL)/manifest.json: $(WORK)/dataset/manifest.json
	$(NLPCLI) train $(MODEL) --data $(WORK)/dataset --out $(@D) $(TRAIN) --max-minutes $(MINUTES) --resume auto

$(WORK)/$(MODEL).test.$(TGT): $(WORK)/$(MODEL)/manifest.json
	$(NLPCLI) translate --model $(WORK)/$(MODEL) $(WORK)/data/test.$(SRC) --out $@ --beam-size $(BEAM) --force

$(WORK)/$(MODEL)-scores/manifest.json: $(WORK)/$(MODEL).test.$(TGT)
	$(NLPCLI) evaluate --hyp $< --ref $(WORK)/data/test.$(TGT) --src $(WORK)/data/test.$(SRC) --out $(@D) --force

scores: $(WORK)/$(MODEL)-scores/manifest.json

# A few translations, the scores, and what to try next.
show: scores
	@paste -d '\n' $(WORK)/data/test.$(SRC) $(WORK)/data/test.$(TGT) $(WORK)/$(MODEL).test.$(TGT) \
	  | awk 'NR <= 15 { print (NR % 3 == 1 ? "\n$(SRC)  " : NR % 3 == 2 ? "$(TGT)  " : " →  ") $$0 }'
	@echo
	@$(NLPCLI) evaluate --hyp $(WORK)/$(MODEL).test.$(TGT) --ref $(WORK)/data/test.$(TGT)
	@echo "next: make -f pipelines/ko-en.mk show MODEL=attention    the same minutes, with attention"
	@echo "      nlpcli inspect $(WORK)/$(MODEL)                      settings, scores and the chain back to the text"
