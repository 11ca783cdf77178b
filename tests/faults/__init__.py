"""One scenario for each fault that Pulltrace is to survive; the table is docs/reliability.md."""
