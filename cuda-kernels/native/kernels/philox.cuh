// Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): the same words as
// dev.theriac.tensor.Philox gives on the CPU.
#pragma once

namespace dv {

// The four words of block `counter`.
DV uint4 philox_block(unsigned long long seed, unsigned long long stream, unsigned long long counter) {
  unsigned c0 = unsigned(counter);
  unsigned c1 = unsigned(counter >> 32);
  unsigned c2 = unsigned(stream);
  unsigned c3 = unsigned(stream >> 32);
  unsigned k0 = unsigned(seed);
  unsigned k1 = unsigned(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    unsigned low0 = 0xD2511F53u * c0;
    unsigned low1 = 0xCD9E8D57u * c2;
    unsigned next0 = __umulhi(0xCD9E8D57u, c2) ^ c1 ^ k0;
    unsigned next2 = __umulhi(0xD2511F53u, c0) ^ c3 ^ k1;
    c0 = next0;
    c1 = low1;
    c2 = next2;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return make_uint4(c0, c1, c2, c3);
}

// Word `index` of the stream. Those of indices 4i to 4i+3 come from one block: take that where all are needed.
DV unsigned philox_word(unsigned long long seed, unsigned long long stream, unsigned long long index) {
  uint4 words = philox_block(seed, stream, index >> 2);
  switch (index & 3) {
    case 0:
      return words.x;
    case 1:
      return words.y;
    case 2:
      return words.z;
    default:
      return words.w;
  }
}

// A word as a float in [0, 1), of 24 bits.
DV float philox_uniform(unsigned word) { return float(word >> 8) * 0x1p-24f; }

}  // namespace dv
