# The assembler source behind include/base/embedded.h: awk -f embed.awk FILE... (names only are used).
BEGIN {
    print "    .section .rodata"
    for (i = 1; i < ARGC; i++) {
        name = ARGV[i]
        sub(/^runbooks\//, "", name)
        printf ".Lname%d: .asciz \"%s\"\n", i, name
        printf ".Ltext%d: .incbin \"%s\"\n.Lend%d: .byte 0\n", i, ARGV[i], i
    }
    print "    .section .data.rel.ro, \"aw\""
    print "    .balign 8"
    print "    .globl embedded_files"
    print "    .type embedded_files, %object"
    print "embedded_files:"
    for (i = 1; i < ARGC; i++)
        printf "    .quad .Lname%d, .Ltext%d, .Lend%d - .Ltext%d\n", i, i, i, i
    print "    .quad 0, 0, 0"
    print "    .size embedded_files, . - embedded_files"
    print "    .section .note.GNU-stack, \"\", %progbits"
}
