"""Paper: from frozen content to PDF, in a process of its own."""
