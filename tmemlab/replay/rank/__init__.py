"""Every policy over many traces and hosts: who does how well, and how sure that is."""
