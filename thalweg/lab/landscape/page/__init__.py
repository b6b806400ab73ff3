def write_page(path, race): return "not yet"
