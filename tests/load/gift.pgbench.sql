\set i random(0, :gifts - 1)
\set code 5000000120000000 + :i * 1000000000 + (999999 - :i) * 10
${statement};
