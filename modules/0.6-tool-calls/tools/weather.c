/* SPDX-License-Identifier: MIT
 *
 * Tool of module 0.6: The weather in a city.  Argument: city.
 */
#include "tool.h"

int
main (void)
{
  tool_answer_from_file ("weather", tool_argument ("city"));
}
