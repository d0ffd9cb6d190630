/** Runs before the first paint, so that a page never flashes in the wrong colors. Keep it tiny: the page waits for it. */

import { apply, stored } from "./theme";

document.documentElement.classList.add("js");
apply(stored());
