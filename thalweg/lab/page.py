def write_page(path, contest, about): path.write_text("x")
