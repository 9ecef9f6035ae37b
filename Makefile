# The menu of the GLib Async Workbook.  Everything generated goes under build/.

# Debian's Python, which sees Debian's packages, even if another one comes first on the PATH.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
GRADER = $(PYTHON) -m grader
export PYTHONPATH := $(CURDIR)
# Compiled once, and out of the way.
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.SUFFIXES:

# Make turns every failure into exit status 2.  Asked for nothing but to look (-q), it still
# runs the lines marked with + and passes their status on: 1 for marks lost, 2 for a fault.
ifeq ($(filter-out grade grade-solution,$(or $(MAKECMDGOALS),help)),)
  MAKEFLAGS += -q
endif

# FILE=path TRUST=1 FAST=1 JSON=path TASK=n PLAIN=1 SLOWDOWN=n, as words for the grader.
# Neither make nor the shell looks into the names of files: they may contain anything.
override FILE := $(value FILE)
override JSON := $(value JSON)
override MODULE := $(value MODULE)
export FILE JSON MODULE
file = $(if $(FILE),--file "$$FILE") $(if $(TRUST),--trust)
fast = $(if $(FAST),--fast)
all = $(if $(ALL),--all)

## For students
##   make setup                  install what is missing (Debian, Ubuntu)
.PHONY: setup
setup:
	@sh tools/setup.sh $(PYTHON)

##   make list                   the modules and your progress
.PHONY: list
list:
	@$(GRADER) list

##   make grade MODULE=0.5       grade it; FILE=path another .c or .md; FAST=1 at once
.PHONY: grade
grade:
	+@$(GRADER) grade "$$MODULE" $(file) $(fast) $(if $(JSON),--json "$$JSON")

##   make run MODULE=0.5         build and run your exercise; FAST=1 in simulated time
.PHONY: run
run:
	@$(GRADER) run "$$MODULE" $(fast)

##   make hint MODULE=0.5        the next hint; TASK=2 for TODO 2
.PHONY: hint
hint:
	@$(GRADER) hint "$$MODULE" $(if $(TASK),--task $(TASK))

##   make watch MODULE=0.5       grade on every save
.PHONY: watch
watch:
	@$(GRADER) watch "$$MODULE"

##   make report MODULE=0.5      an HTML report with the timeline; FILE=path
.PHONY: report
report:
	@$(GRADER) report "$$MODULE" $(file)

##   make submit MODULE=0.5      write a Markdown file to hand in
.PHONY: submit
submit:
	@$(GRADER) submit "$$MODULE"

##   make reset MODULE=0.5       put the skeleton back (keeps a backup)
.PHONY: reset
reset:
	@$(GRADER) reset "$$MODULE"

##   make agent                  module 0.6 for real: answers from a small local model server
.PHONY: agent
agent:
	@sh modules/0.6-tool-calls/agent/run.sh

##
## For instructors
##   make demo MODULE=0.5        run the reference, live; FAST=1 SLOWDOWN=3 PLAIN=1
.PHONY: demo
demo:
	@$(GRADER) demo "$${MODULE:-0.5}" $(fast) $(if $(PLAIN),--plain) $(if $(SLOWDOWN),--slowdown $(SLOWDOWN))

##   make grade-solution MODULE=0.5   grade the reference
.PHONY: grade-solution
grade-solution:
	+@$(GRADER) grade "$$MODULE" --solution $(fast)

##
## For authors
##   make test                   the workbook's own tests, and make verify; ALL=1 as there
.PHONY: test
test: lint
	@$(PYTHON) -m pytest -q -n 2 --dist loadfile tests
	@$(GRADER) verify $(all)

##   make test-hostile           the whole hostile corpus, inside the sandbox
.PHONY: test-hostile
test-hostile:
	@$(PYTHON) tests/hostile/run.py

##   make lint                   style and types, C and Python
.PHONY: lint
lint:
	@sh tools/lint.sh $(PYTHON)

##   make format                 put the sources into the style
.PHONY: format
format:
	@sh tools/format.sh $(PYTHON)

##   make verify                 prove that the course is sound; MODULE=0.5; ALL=1 more programs
.PHONY: verify
verify:
	@$(GRADER) verify "$$MODULE" $(all)

##   make matrix                 verify, and write docs/matrix.md
.PHONY: matrix
matrix:
	@sh tools/matrix.sh $(PYTHON)

##   make skeletons              make the skeletons from the references
.PHONY: skeletons
skeletons:
	@$(GRADER) skeletons

##   make editor                 tell clangd how the course is compiled
.PHONY: editor
editor:
	@$(GRADER) editor

##   make bench                  time and flake rate; QUICK=1 a minute, FULL=1 an hour
.PHONY: bench
bench:
	@$(PYTHON) tools/bench.py $(if $(QUICK),--quick) $(if $(FULL),--full)

##   make clean                  remove build/ (never your exercises)
.PHONY: clean
clean:
	@rm -rf build

.PHONY: help
help:
	@sed -n 's/^## \{0,1\}//p' $(firstword $(MAKEFILE_LIST))
