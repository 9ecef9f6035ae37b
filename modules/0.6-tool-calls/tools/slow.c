/* SPDX-License-Identifier: MIT
 *
 * Tool of module 0.6: A report that takes far too long.  Argument: report.
 */
#include "tool.h"

int
main (void)
{
  tool_answer_from_file ("slow", tool_argument ("report"));
}
