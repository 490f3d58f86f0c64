"""A report as a file: results with their charts, tables and notes, for a browser, a talk, or paper."""
