/* bcc includes this; nothing here needs it. */
