-- shape: list
-- tx: read
select path, code, parent, name from organization order by path
