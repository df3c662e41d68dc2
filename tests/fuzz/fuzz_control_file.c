/* pg_control; its checksum is made right for the layout that the first byte chooses. */
#include "codec/crc32c.h"
#include "postgres/control_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct control_file control;
    uint8_t bytes[512];
    if (size == 0 || size > sizeof bytes)
        return 0;
    memcpy(bytes, data + 1, size - 1);
    size_t crc_at = data[0] % 3 == 0 ? 288 : 292;
    if (data[0] % 3 != 2 && size - 1 >= crc_at + 4) {
        uint32_t crc = crc32c_extend(0, bytes, crc_at);
        for (size_t i = 0; i < 4; i++)
            bytes[crc_at + i] = (uint8_t)(crc >> (8 * i));
    }
    if (control_file_parse(bytes, size - 1, &control, &err) && size - 1 < crc_at)
        abort();
    return 0;
}
