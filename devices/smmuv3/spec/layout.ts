/** The field vocabulary of the formats, under the short names that the tables of this folder use. */
export {
  addressField as address,
  bitField as field,
  type Decoded,
  decodeAll,
  encodeInto,
  getField,
  type Layout,
  type PlacedField as Field,
  setField,
} from '../../../formats/index.ts';
