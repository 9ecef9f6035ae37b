/* SPDX-License-Identifier: MIT
 *
 * Tool of module 0.6: Ask a service that is often down.  Argument: service.
 */
#include "tool.h"

int
main (void)
{
  tool_answer_from_file ("flaky", tool_argument ("service"));
}
