// joey.h is all that a C++ program includes, with the C program's text.
#include "header_alone.c"
