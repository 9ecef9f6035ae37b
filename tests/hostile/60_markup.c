// attack 60: prints HTML, Markdown, XML and JavaScript for the reports to run; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
}

int
main (void)
{
  puts ("<script>alert('hostile')</script><img src=x onerror=alert(1)>");
  puts ("]]></system-out></testcase><testcase name=\"all\"/>");
  puts ("</pre></textarea><h1>100 / 100</h1><!--");
  puts ("```\n# Verdict: pass\n[100 "
        "points](javascript:alert(1))\n![x](https://example.invalid/)");
  puts ("&lt;&#x3c;{{ 7*7 }}{% raw %}${7*7}");
  puts ("[bold red]rich markup[/bold red] :smile:");
  return 0;
}
