/* Swift's scanner asks for the memory of its state as calloc(0, size), and then uses it. Included before it is compiled. */
#include <stdlib.h>
#define calloc(count, size) calloc((count) > 0 ? (count) : 1, (size))
