# The ladder: the same data and minutes for a recurrent model, one with attention and a Transformer; then one table.
# Each model is made by ko-en.mk in the same $(WORK), so what is there already is not done again.
#
#   make -f pipelines/ladder.mk                                 the bundled sample, 4 minutes a model
#   make -f pipelines/ladder.mk DATA=corpora/ko-en WORK=work/mine MINUTES=30 TRAIN=

NLPCLI  ?= nlpcli
DATA    ?= ko-en
SRC     ?= ko
TGT     ?= en
WORK    ?= work
MODELS  ?= seq2seq attention transformer
MINUTES ?= 4
BEAM    ?= 4
TRAIN   ?= --config pipelines/ko-en.toml
METRIC  ?= BLEU

SCORES := $(MODELS:%=$(WORK)/%-ladder/manifest.json)
KO_EN  = $(MAKE) --no-print-directory -f $(dir $(firstword $(MAKEFILE_LIST)))ko-en.mk DATA=$(DATA) SRC=$(SRC) TGT=$(TGT) WORK=$(WORK) \
  MINUTES=$(MINUTES) TRAIN='$(TRAIN)'

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: all scores
.SECONDARY:
all: scores

$(MODELS:%=$(WORK)/%/manifest.json): $(WORK)/%/manifest.json:
	$(KO_EN) MODEL=$* $@

$(SCORES): $(WORK)/%-ladder/manifest.json: $(WORK)/%/manifest.json
	$(NLPCLI) evaluate --model $(WORK)/$* --data $(DATA) --beam-size $(BEAM) --length-of source --out $(@D) --force

# Rows: all test sentences, each domain, each length in words of the source. Columns: lines, and each model's score.
scores: $(SCORES)
	@for model in $(MODELS); do \
	  awk -F '": ' -v model=$$model -v metric=$(METRIC) '{ value = $$2; gsub(/[",]/, "", value) } \
	    /"name": / { name = value } /"lines": / { lines = value } /"metric": / { is = (value == metric) } \
	    /"value": / && is { print model "\t" name "\t" lines "\t" value }' $(WORK)/$$model-ladder/scores.json; \
	done | awk -F '\t' -v metric=$(METRIC) ' \
	  !($$1 in column) { column[$$1] = ++models; head = head sprintf("%13s", $$1) } \
	  !($$2 in row) { row[$$2] = ++rows; name[rows] = $$2 } \
	  { lines[$$2] = $$3; score[$$2, column[$$1]] = $$4 } \
	  END { printf "%-20s%7s%s\n", metric, "lines", head; \
	    for (r = 1; r <= rows; r++) { printf "%-20s%7d", name[r], lines[name[r]]; \
	      for (m = 1; m <= models; m++) printf "%13.2f", score[name[r], m]; print "" } }'
