"""One scenario for each fault that Pulltrace survives; the table is docs/reliability.md."""
