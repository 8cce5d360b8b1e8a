\set j random(100000000000, 100000000099)
${statement};
