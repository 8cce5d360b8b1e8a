"""Reads a workbook from standard input with openpyxl and prints what stands in it as JSON: an independent reader for the tests."""
import io
import json
import sys

import openpyxl

book = openpyxl.load_workbook(io.BytesIO(sys.stdin.buffer.read()))
sheet = book.active
print(json.dumps({
    'sheets': book.sheetnames,
    'frozen': sheet.freeze_panes,
    'widths': [round(sheet.column_dimensions[c[0].column_letter].width) for c in sheet.iter_cols()],
    'bold': [c.font.bold for c in sheet[1]],
    'rows': [[[c.data_type, c.number_format, c.value] for c in row] for row in sheet.iter_rows()],
}))
