//! Makes a small PNG of a PNG or JPEG picture: bytes in, bytes out, an option from a header.
//!
//! The longer side becomes `Thumbnail-Max` pixels (header of the job, 256 where absent). Pictures are never
//! enlarged, and are turned upright where their EXIF data says so.

use std::io::Cursor;

use image::error::ImageError;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use lovage_task::{Bytes, Job, TaskError, task};

const SIDE_HEADER: &str = "Thumbnail-Max";
const SIDE_DEFAULT: u32 = 256;
const SIDE_MAX: u32 = 2_048;

/// A few kilobytes can claim to be gigabytes of pixels, so what is decoded is bounded before it is allocated.
const SOURCE_SIDE_MAX: u32 = 16_384;
const SOURCE_PIXELS_MAX: u64 = 24_000_000;
const DECODED_BYTES_MAX: u64 = 96 << 20;

/// Makes a small PNG of a PNG or JPEG picture; the header Thumbnail-Max says how long its longer side is.
#[task(timeout = "20s", attempts = 2, fuel = "40G", memory = "256MiB")]
fn thumbnail(job: &Job, picture: Bytes) -> Result<Bytes, TaskError> {
    let side = side(job.header(SIDE_HEADER))?;
    let picture = decode(&picture)?;
    let small = if picture.width() > side || picture.height() > side { picture.thumbnail(side, side) } else { picture };
    let mut png = Cursor::new(Vec::new());
    small
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|error| TaskError::permanent(format!("writing the PNG: {error}")))?;
    Ok(Bytes::new(png.into_inner()).with_content_type("image/png"))
}

fn side(header: Option<&str>) -> Result<u32, TaskError> {
    let Some(text) = header else { return Ok(SIDE_DEFAULT) };
    match text.trim().parse() {
        Ok(side @ 1..=SIDE_MAX) => Ok(side),
        _ => Err(TaskError::bad_input(format!("{SIDE_HEADER} is `{text}`; it takes 1 to {SIDE_MAX} pixels"))),
    }
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, TaskError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if reader.format().is_none() {
        return Err(TaskError::bad_input("the input is neither a PNG nor a JPEG picture"));
    }
    reader.limits(source_limits());
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > SOURCE_PIXELS_MAX {
        return Err(TaskError::bad_input(format!("{width} x {height} pixels are more than {SOURCE_PIXELS_MAX}")));
    }
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn source_limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SOURCE_SIDE_MAX);
    limits.max_image_height = Some(SOURCE_SIDE_MAX);
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    limits
}

/// What cannot be decoded now never will be.
fn unreadable(error: ImageError) -> TaskError {
    TaskError::bad_input(format!("the picture cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat};
    use lovage_task::{Bytes, ErrorKind, Job, TaskError};

    use super::thumbnail;

    fn picture(width: u32, height: u32, format: ImageFormat) -> Bytes {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
        Bytes::new(bytes.into_inner())
    }

    fn size(bytes: &Bytes) -> (u32, u32) {
        let picture = image::load_from_memory(bytes).unwrap();
        (picture.width(), picture.height())
    }

    fn run(header: Option<&str>, input: Bytes) -> Result<Bytes, TaskError> {
        let job = Job::sample("thumbnail");
        thumbnail(&header.map_or(job.clone(), |side| job.with_header("thumbnail-max", side)), input)
    }

    #[test]
    fn longer_side_shrinks_to_the_asked_length() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let small = run(Some("50"), picture(400, 200, format)).unwrap();
            assert_eq!((size(&small), small.content_type()), ((50, 25), Some("image/png")));
        }
    }

    #[test]
    fn small_picture_is_not_enlarged() {
        assert_eq!(size(&run(None, picture(10, 20, ImageFormat::Png)).unwrap()), (10, 20));
    }

    #[test]
    fn unusable_side_is_bad_input() {
        for side in ["0", "2049", "-1", "wide", ""] {
            let error = run(Some(side), picture(1, 1, ImageFormat::Png)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadInput, "{side}");
        }
    }

    #[test]
    fn what_is_no_picture_is_bad_input() {
        let mut broken = picture(8, 8, ImageFormat::Png).into_vec();
        broken.truncate(20);
        for input in [Vec::new(), b"hello".to_vec(), broken] {
            assert_eq!(run(None, Bytes::new(input)).unwrap_err().kind(), ErrorKind::BadInput);
        }
    }

    #[test]
    fn picture_with_too_many_pixels_is_refused_before_it_is_decoded() {
        // A complete header claims 16,000 x 16,000 pixels; the decoder never gets to see any.
        let mut claim = picture(1, 1, ImageFormat::Png).into_vec();
        let sides = [0x00, 0x00, 0x3e, 0x80, 0x00, 0x00, 0x3e, 0x80];
        claim.splice(16..24, sides);
        let checksum = crc32(&claim[12..29]).to_be_bytes();
        claim.splice(29..33, checksum);
        let error = run(None, Bytes::new(claim)).unwrap_err();
        assert!(error.message().contains("16000 x 16000") || error.message().contains("limit"), "{error}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
        })
    }
}
