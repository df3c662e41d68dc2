/*
 * The instruction where the processor has it, tables of 8 x 256 words elsewhere. Combining works
 * on polynomials over GF(2): appending n bytes multiplies the checksum so far by x^(8n) mod P.
 * Powers for every byte of n are precomputed, so that a length of k bytes costs k multiplications.
 * P = 0x1EDC6F41, here in reflected order (bit 31 is x^0).
 */
#include "codec/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

enum { SLICES = 8, LENGTH_BYTES = 8, BYTE_VALUES = 256 };

#define POLYNOMIAL UINT32_C(0x82F63B78)
#define ONE UINT32_C(0x80000000)

typedef uint32_t (*extend_fn)(uint32_t state, const uint8_t *bytes, size_t len);

static uint32_t slices[SLICES][BYTE_VALUES];
static uint32_t powers[LENGTH_BYTES][BYTE_VALUES]; /* x^(8 * value * 256^byte) */
static extend_fn extend;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* a * b mod P without branches. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (int bit = 31; bit >= 0; bit--) {
        product ^= b & (0U - ((a >> bit) & 1U));
        b = (b >> 1) ^ (POLYNOMIAL & (0U - (b & 1U)));
    }
    return product;
}

/* x^(8 * len) mod P */
static uint32_t power(uint64_t len)
{
    uint32_t result = ONE;
    for (size_t byte = 0; len > 0; byte++, len >>= 8)
        if ((len & 0xFF) != 0)
            result = result == ONE ? powers[byte][len & 0xFF]
                                   : multiply(result, powers[byte][len & 0xFF]);
    return result;
}

static uint32_t extend_with_tables(uint32_t state, const uint8_t *bytes, size_t len)
{
    for (; len >= 8; len -= 8, bytes += 8) {
        uint32_t low = 0;
        uint32_t high = 0;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + 4, 4);
        low ^= state;
        state = slices[7][low & 0xFF] ^ slices[6][(low >> 8) & 0xFF] ^
                slices[5][(low >> 16) & 0xFF] ^ slices[4][low >> 24] ^ slices[3][high & 0xFF] ^
                slices[2][(high >> 8) & 0xFF] ^ slices[1][(high >> 16) & 0xFF] ^
                slices[0][high >> 24];
    }
    for (; len > 0; len--)
        state = (state >> 8) ^ slices[0][(state ^ *bytes++) & 0xFF];
    return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
extend_with_instruction(uint32_t state, const uint8_t *bytes, size_t len)
{
    uint64_t wide = state;
    for (; len >= 8; len -= 8, bytes += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    state = (uint32_t)wide;
    for (; len > 0; len--)
        state = _mm_crc32_u8(state, *bytes++);
    return state;
}
#endif

static extend_fn choose_extend(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return extend_with_instruction;
#endif
    return extend_with_tables;
}

static void fill_slices(void)
{
    for (uint32_t value = 0; value < BYTE_VALUES; value++) {
        uint32_t state = value;
        for (int bit = 0; bit < 8; bit++)
            state = (state >> 1) ^ (POLYNOMIAL & (0U - (state & 1U)));
        slices[0][value] = state;
    }
    for (size_t slice = 1; slice < SLICES; slice++)
        for (size_t value = 0; value < BYTE_VALUES; value++) {
            uint32_t before = slices[slice - 1][value];
            slices[slice][value] = (before >> 8) ^ slices[0][before & 0xFF];
        }
}

static void fill_powers(void)
{
    uint32_t step = ONE >> 8; /* x^8: one byte */
    for (size_t byte = 0; byte < LENGTH_BYTES; byte++) {
        powers[byte][0] = ONE;
        for (size_t value = 1; value < BYTE_VALUES; value++)
            powers[byte][value] = multiply(powers[byte][value - 1], step);
        step = multiply(powers[byte][BYTE_VALUES - 1], step);
    }
}

static void prepare(void)
{
    fill_slices();
    fill_powers();
    extend = choose_extend();
}

uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t len)
{
    (void)pthread_once(&once, prepare);
    return ~extend(~crc, bytes, len);
}

uint32_t crc32c_extend_portable(uint32_t crc, const void *bytes, size_t len)
{
    (void)pthread_once(&once, prepare);
    return ~extend_with_tables(~crc, bytes, len);
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
    (void)pthread_once(&once, prepare);
    return multiply(power(len_b), crc_a) ^ crc_b;
}

uint32_t crc32c_zeros(uint64_t len)
{
    (void)pthread_once(&once, prepare);
    return ~multiply(power(len), UINT32_MAX);
}
