# Whole documents: a Transformer that reads and writes many sentences at a time, with attention over a window of positions.
# Each target is an artifact's manifest, which is written last, so make redoes what is missing and nothing else.
#
#   make -f pipelines/documents.mk DATA=chapters-ko-en          a folder of train.jsonl and test.jsonl, a document a line:
#                                                               {"id": "1", "ko": ["…", "…"], "en": ["…", "…"]}
#   make -f pipelines/documents.mk DATA=… MINUTES=60 WINDOW=256 CHARS=8000
#
# A model that knows single segments goes on with whole documents, and for as long with segments; all three are scored on the
# same text.

NLPCLI  ?= nlpcli
DATA    ?= chapters-ko-en
WORK    ?= work/documents
CHARS   ?= 3000
WINDOW  ?= 128
LENGTH  ?= 2048
MINUTES ?= 20
BEAM    ?= 1
SRC     ?= ko
TGT     ?= en
TRAIN   ?= --config pipelines/documents.toml
SCORING ?= --metric BLEU --metric chrF2

THIS := $(firstword $(MAKEFILE_LIST))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all compare
all: compare

$(WORK)/documents-data/manifest.json:
	$(NLPCLI) data prepare --data $(DATA) --document-chars $(CHARS) --hold-out 50 --out $(@D) --force

$(WORK)/segments-data/manifest.json:
	$(NLPCLI) data prepare --data $(DATA) --out $(@D) --force

# One vocabulary for both, that has the sign between segments.
$(WORK)/tokenizer/manifest.json: $(WORK)/documents-data/manifest.json
	$(NLPCLI) tokenize train --data $(<D) --vocab-size 8000 --out $(@D) --force

$(WORK)/%-dataset/manifest.json: $(WORK)/%-data/manifest.json $(WORK)/tokenizer/manifest.json
	$(NLPCLI) tokenize dataset --data $(<D) --tokenizer $(WORK)/tokenizer --out $(@D) --force

$(WORK)/segments/manifest.json: $(WORK)/segments-dataset/manifest.json
	$(NLPCLI) train transformer --data $(<D) --out $(@D) $(TRAIN) --max-minutes $(MINUTES) --resume auto

$(WORK)/documents/manifest.json: $(WORK)/documents-dataset/manifest.json $(WORK)/segments/manifest.json
	$(NLPCLI) train transformer --data $(<D) --out $(@D) $(TRAIN) --from-model $(WORK)/segments \
	  --max-length $(LENGTH) --attention-window $(WINDOW) --max-minutes $(MINUTES) --resume auto

$(WORK)/more-segments/manifest.json: $(WORK)/segments-dataset/manifest.json $(WORK)/segments/manifest.json
	$(NLPCLI) train transformer --data $(<D) --out $(@D) $(TRAIN) --from-model $(WORK)/segments \
	  --max-minutes $(MINUTES) --resume auto

$(WORK)/%-scores/manifest.json: $(WORK)/%/manifest.json
	$(NLPCLI) evaluate --model $(<D) --data $(WORK)/$(lastword $(subst -, ,$*))-data --beam-size $(BEAM) $(SCORING) --out $(@D) --force

# The segments' translations, joined as the documents are, so that all are scored row by row on the same text.
$(WORK)/%-in-rows.$(TGT): $(WORK)/%-scores/manifest.json
	@awk 'NR == FNR { translated[NR] = $$0; next } \
	  { count = split($$0, parts, " ␞ "); row = translated[++at]; \
	    for (i = 2; i <= count; i++) row = row " ␞ " translated[++at]; print row }' \
	  $(<D)/test.hyp $(WORK)/documents-data/test.$(SRC) > $@

compare: $(WORK)/segments-in-rows.$(TGT) $(WORK)/more-segments-in-rows.$(TGT) $(WORK)/documents-scores/manifest.json
	@for rows in $(WORK)/segments-in-rows.$(TGT) $(WORK)/more-segments-in-rows.$(TGT) $(WORK)/documents-scores/test.hyp; do \
	  echo "$$rows:"; $(NLPCLI) evaluate --hyp $$rows --ref $(WORK)/documents-data/test.$(TGT) $(SCORING); done
