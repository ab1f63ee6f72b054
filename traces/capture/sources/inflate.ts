/**
 * Unpacks zlib data (RFC 1950).
 * @param most bytes that may come out
 * @returns null if it is damaged or more comes out
 */
export async function inflate(packed: Uint8Array, most: number): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    const stream = new Blob([new Uint8Array(packed)]).stream().pipeThrough(new DecompressionStream('deflate'));
    const reader = stream.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const bytes = value as Uint8Array;
      size += bytes.length;
      if (size > most) {
        await reader.cancel();
        return null;
      }
      pieces.push(bytes);
    }
  } catch {
    return null;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
