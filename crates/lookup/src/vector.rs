//! The numbers of an embedding on their way from the index to the wire.

use bytes::BufMut;
use dayvec_proto::lookup::v1::Encoding;
use half::f16;

use crate::index::Element;

/// The largest magnitude of an int8 number; -128 stays unused, so that the range is symmetric.
const INT8_MAX: f32 = 127.0;

/// Numbers as stored in the index, little-endian.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vector<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) element: Element,
}

impl<'a> Vector<'a> {
    /// Number of numbers.
    pub(crate) const fn len(self) -> usize {
        self.bytes.len() / self.element.bytes()
    }

    fn numbers(self) -> impl Iterator<Item = f32> + 'a {
        self.bytes.chunks_exact(self.element.bytes()).map(move |number| match self.element {
            Element::F32 => f32::from_le_bytes([number[0], number[1], number[2], number[3]]),
            Element::F16 => f16::from_le_bytes([number[0], number[1]]).to_f32(),
        })
    }

    /// Write the numbers as `encoding` says; an unspecified one is float32. `scale` is that of [`Vector::scale`].
    pub(crate) fn put(self, encoding: Encoding, scale: f32, to: &mut impl BufMut) {
        match (encoding, self.element) {
            (Encoding::Float16, Element::F16) => to.put_slice(self.bytes),
            (Encoding::Float16, Element::F32) => {
                self.numbers().for_each(|number| to.put_slice(&f16::from_f32(number).to_le_bytes()));
            }
            (Encoding::Int8, _) => {
                let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
                self.numbers().for_each(|number| to.put_i8((number * inverse).round_ties_even() as i8));
            }
            (_, Element::F32) => to.put_slice(self.bytes),
            (_, Element::F16) => self.numbers().for_each(|number| to.put_f32_le(number)),
        }
    }

    /// What an int8 number is multiplied with: the largest magnitude / 127.
    pub(crate) fn scale(self) -> f32 {
        self.numbers().fold(0.0, |largest: f32, number| largest.max(number.abs())) / INT8_MAX
    }
}

/// Bytes of a number on the wire.
pub(crate) const fn bytes_of(encoding: Encoding) -> usize {
    match encoding {
        Encoding::Float16 => 2,
        Encoding::Int8 => 1,
        Encoding::Unspecified | Encoding::Float32 | Encoding::Float32Values => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: [f32; 4] = [0.5, -0.25, 0.0, 0.1];

    fn check(element: Element, encoding: Encoding, tolerance: f32) {
        let stored: Vec<u8> = match element {
            Element::F32 => NUMBERS.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Element::F16 => NUMBERS.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect(),
        };
        let vector = Vector { bytes: &stored, element };
        let scale = vector.scale();
        let mut sent = Vec::new();
        vector.put(encoding, scale, &mut sent);
        assert_eq!(sent.len(), vector.len() * bytes_of(encoding));
        let received: Vec<f32> = match encoding {
            Encoding::Float16 => {
                sent.chunks(2).map(|bytes| f16::from_le_bytes(bytes.try_into().unwrap()).to_f32()).collect()
            }
            Encoding::Int8 => sent.iter().map(|&byte| f32::from(byte as i8) * scale).collect(),
            _ => sent.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect(),
        };
        for (sent, received) in NUMBERS.iter().zip(&received) {
            assert!(
                (sent - received).abs() <= tolerance,
                "{element:?} {encoding:?}: {NUMBERS:?} {received:?}"
            );
        }
    }

    #[test]
    fn each_encoding_is_as_exact_as_it_says() {
        check(Element::F32, Encoding::Float32, 0.0);
        check(Element::F32, Encoding::Unspecified, 0.0);
        check(Element::F32, Encoding::Float32Values, 0.0);
        check(Element::F32, Encoding::Float16, 5e-5);
        check(Element::F32, Encoding::Int8, 0.5 / 127.0 / 2.0 + 1e-7);
        check(Element::F16, Encoding::Float32, 5e-5);
        check(Element::F16, Encoding::Float16, 5e-5);
        check(Element::F16, Encoding::Int8, 0.5 / 127.0 / 2.0 + 5e-5);
    }

    #[test]
    fn a_zero_vector_has_no_scale_and_stays_zero() {
        let vector = Vector { bytes: &[0; 8], element: Element::F32 };
        let mut sent = Vec::new();
        vector.put(Encoding::Int8, vector.scale(), &mut sent);
        assert_eq!(sent, [0, 0]);
    }
}
