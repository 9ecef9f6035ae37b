/* SPDX-License-Identifier: MIT
 *
 * Tool of module 0.6: What the web says about a query.  Argument: query.
 */
#include "tool.h"

int
main (void)
{
  tool_answer_from_file ("search", tool_argument ("query"));
}
