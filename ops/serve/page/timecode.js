// SMPTE timecode from exact rates. The same arithmetic as ops/core/time.py; tests compare the two.

const TIMECODE = /^(\d{2}):(\d{2}):(\d{2})([:;.])(\d{2,3})$/;

/** @typedef {{num: number, den: number}} Rate frames per second as a fraction in lowest terms */

/** @param {string} text such as "24000/1001" or "25" @returns {Rate} @throws {RangeError} */
export function rateOf(text) {
  const found = /^(\d+)(?:\/(\d+))?$/.exec(text);
  const num = Number(found?.[1]);
  const den = Number(found?.[2] ?? 1);
  if (!(num > 0 && den > 0)) throw new RangeError(`${JSON.stringify(text)} is not a frame rate`);
  const common = divisor(num, den);
  return { num: num / common, den: den / common };
}

/** Frame labels a second: the rate rounded, halves to the even number as Python does. @param {Rate} rate */
export function labelsPerSecond(rate) {
  const floor = Math.floor(rate.num / rate.den);
  const twice = 2 * (rate.num - floor * rate.den);
  if (twice === rate.den) return floor + (floor % 2);
  return twice > rate.den ? floor + 1 : floor;
}

/** Whether SMPTE ST 12 defines drop-frame counting for the rate (29.97, 59.94 and 119.88). @param {Rate} rate */
export function isDropFrameRate(rate) {
  return rate.den === 1001 && [30000, 60000, 120000].includes(rate.num);
}

/**
 * Timecode of a frame counted from a start; drop-frame (`;`) only if the start is written so and the rate has it.
 * @param {number} frame may be negative @param {Rate} rate @param {string} start @returns {string}
 */
export function timecodeOf(frame, rate, start = "00:00:00:00") {
  const base = labelsPerSecond(rate);
  if (base < 1) return ""; // below one frame in two seconds a second has no frames to label
  const drop = start.includes(";") && isDropFrameRate(rate);
  const dropped = drop ? Math.floor((2 * base) / 30) : 0;
  const perDay = 24 * (3600 * base - 54 * dropped);
  let total = (((frameOf(start, rate) + frame) % perDay) + perDay) % perDay;
  if (drop) {
    const perTen = 600 * base - 9 * dropped;
    const perMinute = 60 * base - dropped;
    const tens = Math.floor(total / perTen);
    const rest = total % perTen;
    const minutes = rest < 60 * base ? 0 : 1 + Math.floor((rest - 60 * base) / perMinute);
    total += dropped * (9 * tens + minutes);
  }
  const seconds = Math.floor(total / base);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two);
  const frames = String(total % base).padStart(base > 100 ? 3 : 2, "0");
  return `${parts.join(":")}${drop ? ";" : ":"}${frames}`;
}

/** Frame count of a timecode from zero. @param {string} timecode @param {Rate} rate @throws {RangeError} */
export function frameOf(timecode, rate) {
  const found = TIMECODE.exec(timecode);
  if (!found) throw new RangeError(`${JSON.stringify(timecode)} is not a timecode: write HH:MM:SS:FF`);
  const base = labelsPerSecond(rate);
  const [hours, minutes, seconds, frames] = [found[1], found[2], found[3], found[5]].map(Number);
  if (minutes > 59 || seconds > 59 || frames >= base) {
    throw new RangeError(`${timecode} has no frame at ${(rate.num / rate.den).toFixed(3)} frames per second`);
  }
  const total = ((hours * 60 + minutes) * 60 + seconds) * base + frames;
  if (found[4] !== ";" || !isDropFrameRate(rate)) return total;
  const dropped = Math.floor((2 * base) / 30);
  const all = hours * 60 + minutes;
  return total - dropped * (all - Math.floor(all / 10));
}

/**
 * Timecode of a source frame, counted from the timecode of a shot that is known.
 * @param {{start_frame: number, start_timecode: string, fps: string}} shot @param {number} frame in the source
 * @param {number[]|null} times at which the frames of the shot begin, in seconds, if they do not follow its rate
 */
export function timecodeIn(shot, frame, times = null) {
  if (!shot.start_timecode) return `frame ${frame}`;
  const rate = rateOf(shot.fps);
  const count = frame - shot.start_frame;
  return timecodeOf(frameAt(count, times?.[count], rate), rate, shot.start_timecode);
}

/** As `frame_at` in ops/core/time.py: timecode follows the clock if pictures are missing or the rate varies. */
/** @param {number} count @param {number|undefined} time @param {Rate} rate */
function frameAt(count, time, rate) {
  const seen = time === undefined ? count : (time * rate.num) / rate.den;
  return Math.abs(seen - count) <= 0.501 ? count : Math.round(seen);
}

/**
 * Source frame of a timecode in the same video as the shot.
 * @param {{start_frame: number, start_timecode: string, fps: string}} shot @param {string} timecode @throws {RangeError}
 */
export function frameIn(shot, timecode) {
  const rate = rateOf(shot.fps);
  return shot.start_frame + frameOf(timecode, rate) - frameOf(shot.start_timecode, rate);
}

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");

/** @param {number} a @param {number} b @returns {number} */
function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}
