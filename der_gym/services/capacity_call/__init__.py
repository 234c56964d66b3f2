"""The capacity market's dispatch-instructed source (容量市場 発動指令電源): a call with notice, held three hours."""
