"""How storage is used: what guests were promised, what is taken and used of it, what nobody needs."""
