# Published results, made again: one target each, the settings beside it in pipelines/results/.
# SETS is a folder with the data sets under the names they are published by; nothing is fetched.
#
#   make -f pipelines/results.mk SETS=corpora tinyshakespeare multi30k-en-de
#   make -f pipelines/results.mk SETS=corpora all
#
# Scores are kept as artifacts, $(WORK)/NAME-scores; `python benchmarks/published.py $(WORK)` makes a table of those there are.
#
# | target          | published                                              |
# | tinyshakespeare | nanoGPT on a CPU: 1.88 nats a character on validation   |
# | wikitext-2      | LSTM-200 with tied embeddings: test perplexity 102.3    |
# | multi30k-en-de  | Transformer, 4 layers, d 128: 41.02 BLEU (Wu et al. 2021) |
# | multi30k-de-en  | fixed vector 20.6, attention 28.1, Transformer 36.5 BLEU |
# | nsmc            | TextCNN 85.84, self-attentive network 86.37 % accuracy  |
# | mr              | TextCNN, random vectors: 76.1 % over ten folds (Kim 2014) |
# | ko-en           | none; three models, 40 minutes each                     |

NLPCLI ?= nlpcli
SETS   ?= corpora
WORK   ?= work/results
KO_EN_MINUTES ?= 40
WIKITEXT_MINUTES ?= 56
SETTINGS := $(dir $(firstword $(MAKEFILE_LIST)))results
THIS     := $(firstword $(MAKEFILE_LIST))
PIPELINE  = $(MAKE) --no-print-directory -f $(dir $(THIS))

.DELETE_ON_ERROR:
.PHONY: all tinyshakespeare wikitext-2 multi30k-en-de multi30k-de-en nsmc mr ko-en
all: tinyshakespeare mr nsmc multi30k-en-de multi30k-de-en wikitext-2 ko-en

# $(OF) is the data that a model is scored on; its name begins with that of the model.
$(WORK)/%-scores/manifest.json: $(WORK)/%/manifest.json
	$(NLPCLI) evaluate --model $(<D) --data $(WORK)/$(OF) $(SCORING) --out $(@D) --force

# Language models. The published figure for tinyshakespeare is on validation; it has no test split.

$(WORK)/tinyshakespeare-data/manifest.json:
	$(NLPCLI) data prepare --data $(SETS)/tinyshakespeare/input.txt --task lm --out $(@D)

$(WORK)/wikitext-2-data/manifest.json:
	$(NLPCLI) data prepare --data $(SETS)/wikitext-2 --task lm --out $(@D)

$(WORK)/tinyshakespeare-tokenizer/manifest.json: KIND = char
$(WORK)/wikitext-2-tokenizer/manifest.json: KIND = word
$(WORK)/%-tokenizer/manifest.json: $(WORK)/%-data/manifest.json
	$(NLPCLI) tokenize train --data $(<D) --kind $(KIND) --out $(@D)

$(WORK)/%-dataset/manifest.json: $(WORK)/%-tokenizer/manifest.json
	$(NLPCLI) tokenize dataset --data $(WORK)/$*-data --tokenizer $(<D) --out $(@D)

$(WORK)/tinyshakespeare/manifest.json: $(WORK)/tinyshakespeare-dataset/manifest.json
	$(NLPCLI) train transformer --data $(<D) --config $(SETTINGS)/tinyshakespeare.toml --out $(@D) --resume auto

# It begins from vectors of the same words in the same text, which take four of the minutes.
$(WORK)/wikitext-2-words/manifest.json: $(WORK)/wikitext-2-tokenizer/manifest.json
	$(NLPCLI) embed train --data $(WORK)/wikitext-2-data --lang text --unit pieces --tokenizer $(<D) --dim 200 --min-count 2 \
	  --epochs 15 --workers 1 --out $(@D)

$(WORK)/wikitext-2/manifest.json: $(WORK)/wikitext-2-dataset/manifest.json $(WORK)/wikitext-2-words/manifest.json
	$(NLPCLI) train rnn --data $(<D) --embeddings $(WORK)/wikitext-2-words --config $(SETTINGS)/wikitext-2.toml \
	  --max-minutes $(WIKITEXT_MINUTES) --out $(@D) --resume auto

$(WORK)/tinyshakespeare-scores/manifest.json: OF = tinyshakespeare-data
$(WORK)/tinyshakespeare-scores/manifest.json: SCORING = --split valid
tinyshakespeare: $(WORK)/tinyshakespeare-scores/manifest.json

$(WORK)/wikitext-2-scores/manifest.json: OF = wikitext-2-data
$(WORK)/wikitext-2-scores/manifest.json: SCORING = --split valid --split test
wikitext-2: $(WORK)/wikitext-2-scores/manifest.json

# Translation of image captions, on text in lower case, normalised and cut into words, as in the papers, whose BLEU takes
# the words as they are.

$(WORK)/multi30k/manifest.json:
	$(NLPCLI) data prepare --data $(SETS)/multi30k-en-de-lc.norm.tok --src en --tgt de --out $(@D)

$(WORK)/multi30k-de/manifest.json:
	$(NLPCLI) data prepare --data $(SETS)/multi30k-en-de-lc.norm.tok --src de --tgt en --out $(@D)

$(WORK)/multi30k-tokenizer/manifest.json: $(WORK)/multi30k/manifest.json
	$(NLPCLI) tokenize train --data $(<D) --joint --vocab-size 9500 --out $(@D)

$(WORK)/multi30k-de-tokenizer/manifest.json: $(WORK)/multi30k-de/manifest.json
	$(NLPCLI) tokenize train --data $(<D) --joint --vocab-size 9500 --out $(@D)

$(WORK)/multi30k-dataset/manifest.json: $(WORK)/multi30k-tokenizer/manifest.json
	$(NLPCLI) tokenize dataset --data $(WORK)/multi30k --tokenizer $(<D) --out $(@D)

$(WORK)/multi30k-de-dataset/manifest.json: $(WORK)/multi30k-de-tokenizer/manifest.json
	$(NLPCLI) tokenize dataset --data $(WORK)/multi30k-de --tokenizer $(<D) --out $(@D)

$(WORK)/en-de-transformer/manifest.json: $(WORK)/multi30k-dataset/manifest.json
	$(NLPCLI) train transformer --data $(<D) --config $(SETTINGS)/multi30k.toml --out $(@D) --resume auto

DE_EN_MODELS = seq2seq attention transformer
$(WORK)/de-en-transformer/manifest.json: OPTIONS = --epochs 30
$(DE_EN_MODELS:%=$(WORK)/de-en-%/manifest.json): $(WORK)/de-en-%/manifest.json: $(WORK)/multi30k-de-dataset/manifest.json
	$(NLPCLI) train $* --data $(<D) --config $(SETTINGS)/multi30k.toml $(OPTIONS) --out $(@D) --resume auto

$(WORK)/en-de-%-scores/manifest.json: OF = multi30k
$(WORK)/de-en-%-scores/manifest.json: OF = multi30k-de
$(WORK)/en-de-%-scores/manifest.json $(WORK)/de-en-%-scores/manifest.json: SCORING = --beam-size 5 --bleu-tokenizer none
multi30k-en-de: $(WORK)/en-de-transformer-scores/manifest.json
multi30k-de-en: $(DE_EN_MODELS:%=$(WORK)/de-en-%-scores/manifest.json)

# Classification.

NSMC_MODELS = rnn-elman rnn-lstm rnn-gru cnn transformer rnn-best

$(WORK)/nsmc-data/manifest.json:
	$(NLPCLI) data prepare --data $(SETS)/nsmc --task classify --hold-out 5000 --out $(@D)

$(WORK)/nsmc-tokenizer/manifest.json: $(WORK)/nsmc-data/manifest.json
	$(NLPCLI) tokenize train --data $(<D) --kind unigram --vocab-size 16000 --out $(@D)

$(WORK)/nsmc-rnn-elman/manifest.json: OPTIONS = --cell rnn
$(WORK)/nsmc-rnn-lstm/manifest.json: OPTIONS = --cell lstm
$(WORK)/nsmc-rnn-gru/manifest.json: OPTIONS = --cell gru
$(WORK)/nsmc-rnn-best/manifest.json: OPTIONS = --cell lstm --d-embed 300 --d-model 512 --word-dropout 0.1 --ema 0.999
$(NSMC_MODELS:%=$(WORK)/nsmc-%/manifest.json): $(WORK)/nsmc-%/manifest.json: $(WORK)/nsmc-dataset/manifest.json
	$(NLPCLI) train $(firstword $(subst -, ,$*)) --data $(<D) --config $(SETTINGS)/nsmc.toml $(OPTIONS) --out $(@D) --resume auto

$(WORK)/nsmc-%-scores/manifest.json: OF = nsmc-data
# All of them together: the mean of their probabilities.
$(WORK)/nsmc-together-scores/manifest.json: $(NSMC_MODELS:%=$(WORK)/nsmc-%/manifest.json)
	$(NLPCLI) evaluate $(^:%/manifest.json=--model %) --data $(WORK)/nsmc-data --out $(@D) --force

nsmc: $(NSMC_MODELS:%=$(WORK)/nsmc-%-scores/manifest.json) $(WORK)/nsmc-together-scores/manifest.json

mr:
	$(PIPELINE)sentiment.mk folds DATA=$(SETS)/movie-reviews-en ENCODING=latin-1 FOLDS=10 KIND=word MINUTES=1000 \
	  TRAIN='--config $(SETTINGS)/mr.toml' WORK=$(WORK)/mr

ko-en:
	$(PIPELINE)ladder.mk DATA=$(SETS)/ko-en WORK=$(WORK)/ko-en MINUTES=$(KO_EN_MINUTES) BEAM=5 \
	  TRAIN='--config $(SETTINGS)/ko-en.toml'
