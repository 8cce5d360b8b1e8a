-- Cached answers can be made stale by hand: by whoever runs the platform.

insert into scope (name, meaning, for_partners) values ('cache:purge', 'make cached answers stale', false);
insert into role (name, title_zh, title_en, for_staff) values ('operator', '系统运维', 'System operator', true);
insert into role_scope (role, scope) values ('operator', 'cache:purge'), ('admin', 'cache:purge');
