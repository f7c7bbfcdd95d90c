/* bcc includes this; tracepoint programs need only its name. */
struct pt_regs;
