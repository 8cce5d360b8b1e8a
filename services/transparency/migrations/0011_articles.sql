-- Where each rule stands, by article where the text was looked up. Filing and its exception: 民发〔2025〕57号 names them. Thirty days:
-- the measures' own text of 2025, which also has a list of major investments and transactions that the first wording left out.
-- Quarterly and final reports stand in the law's chapter on disclosure; that chapter's numbers were not looked up.
update disclosure_rule set article = '慈善法（2023年修正）第二十四条；慈善组织公开募捐管理办法（民政部令第74号）第十一条' where code = 'filing';
update disclosure_rule set article = '慈善法（2023年修正）第七十三条' where code = 'emergency-filing';
update disclosure_rule set article = '慈善法（2023年修正）信息公开章；慈善组织信息公开办法' where code in ('progress', 'final');
update disclosure_rule set article = '慈善组织信息公开办法（民政部令第81号）第十三条、第十四条',
    text_zh = '重大资产变动、重大投资、重大交易及资金往来、关联交易等发生后三十日内公开',
    text_en = 'Publish changes of major assets, major investments and transactions, and related-party matters within thirty days' where code = 'matter';
update disclosure_rule set article = '慈善法（2023年修正）信息公开章；慈善组织信息公开办法（民政部令第81号）',
    text_zh = '每年五月三十一日前公开上一年度工作报告和财务会计报告',
    text_en = 'Publish the work report and the financial report of the year before by 31 May' where code = 'annual';
