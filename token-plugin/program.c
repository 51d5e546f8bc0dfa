/* The program that the plugin runs. A string of its own, compiled when the plugin is linked, because
 * only `make install` knows where the program goes. */
extern const char BEK_UNLOCK_PROGRAM[];
const char BEK_UNLOCK_PROGRAM[] = PROGRAM;
