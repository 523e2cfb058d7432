//! Real input made on the spot, so that no picture and no table lies in the repository. The same every time.

use std::fmt::Write;

use anyhow::Context;

pub(super) const PHOTO_WIDTH: u32 = 1600;
pub(super) const PHOTO_HEIGHT: u32 = 1200;

/// Numbers that look random.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Returns a number below `below`.
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below.max(1)
    }
}

/// Draws a mountain range at dusk with a sun, haze and the grain of a camera, as a PNG.
pub(super) fn photo() -> anyhow::Result<Vec<u8>> {
    let mut dice = Dice::new(20_260_714);
    let ridges: Vec<Vec<f32>> = (0..4).map(|near| ridge(near as f32)).collect();
    let (width, height) = (PHOTO_WIDTH as f32, PHOTO_HEIGHT as f32);
    let mut pixels = Vec::with_capacity((PHOTO_WIDTH * PHOTO_HEIGHT * 3) as usize);
    for row in 0..PHOTO_HEIGHT {
        let y = row as f32 / height;
        for column in 0..PHOTO_WIDTH {
            let x = column as f32 / width;
            let mut colour = sky(x, y);
            for (near, ridge) in ridges.iter().enumerate() {
                let top = ridge.get(column as usize).copied().unwrap_or(1.0);
                if y > top {
                    // Far ranges fade into the sky, and each is lighter at its foot, where the haze lies.
                    let haze = 0.55 - 0.16 * near as f32 + 0.5 * (y - top);
                    colour = mix([18.0, 24.0, 44.0], [226.0, 150.0, 128.0], haze.clamp(0.0, 0.9));
                }
            }
            let grain = dice.roll(13) as f32 - 6.0;
            pixels.extend(colour.map(|part| (part + grain).clamp(0.0, 255.0) as u8));
        }
    }
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, PHOTO_WIDTH, PHOTO_HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("writing a PNG")?;
    writer.write_image_data(&pixels).context("writing a PNG")?;
    writer.finish().context("writing a PNG")?;
    Ok(png)
}

fn sky(x: f32, y: f32) -> [f32; 3] {
    let dusk = mix([38.0, 52.0, 110.0], [250.0, 178.0, 120.0], (y * 1.5).min(1.0));
    let far = ((x - 0.68).powi(2) * 1.78 + (y - 0.42).powi(2)).sqrt();
    let glow = (1.0 - far / 0.5).max(0.0).powi(3);
    let disc = if far < 0.045 { 1.0 } else { 0.0 };
    mix(dusk, [255.0, 240.0, 205.0], (glow * 0.7 + disc).min(1.0))
}

/// The outline of a range of mountains: for each column, how far down it begins.
fn ridge(near: f32) -> Vec<f32> {
    let wave = |x: f32, times: f32, by: f32| (x * times + near * 7.3 + by).sin();
    let outline = |column: u32| {
        let x = column as f32 / PHOTO_WIDTH as f32;
        let broad = 0.09 * wave(x, 5.0 + near, 0.0) + 0.045 * wave(x, 13.0, 1.7).abs();
        let fine = 0.014 * wave(x, 47.0, 0.4) + 0.006 * wave(x, 131.0, 2.1);
        0.45 + 0.13 * near - broad - fine
    };
    (0..PHOTO_WIDTH).map(outline).collect()
}

fn mix(from: [f32; 3], to: [f32; 3], part: f32) -> [f32; 3] {
    let [r, g, b] = from;
    let [to_r, to_g, to_b] = to;
    [r + (to_r - r) * part, g + (to_g - g) * part, b + (to_b - b) * part]
}

/// Reads width and height of a PNG.
pub(super) fn png_size(png: &[u8]) -> anyhow::Result<(u32, u32)> {
    let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().context("this is no PNG")?;
    Ok((reader.info().width, reader.info().height))
}

/// Orders of a shop as CSV.
pub(super) struct Orders {
    pub(super) csv: String,
    pub(super) rows: u64,
    /// The number of orders and the sum of all amounts in cents, for each region in order.
    pub(super) regions: Vec<(&'static str, u64, u64)>,
}

/// Makes a table of orders and adds it up itself, to compare.
pub(super) fn orders(rows: u64) -> Orders {
    let mut regions = vec![("east", 0, 0), ("north", 0, 0), ("south", 0, 0), ("west", 0, 0)];
    let goods = ["kettle", "\"lamp, brass\"", "chair", "rug"];
    let mut csv = String::from("order,region,item,quantity,amount\n");
    let mut dice = Dice::new(4711);
    for order in 1..=rows {
        let at = dice.roll(4) as usize;
        let item = goods.get(dice.roll(4) as usize).copied().unwrap_or_default();
        let (quantity, cents) = (dice.roll(5) + 1, dice.roll(20_000) + 100);
        if let Some((region, orders, sum)) = regions.get_mut(at) {
            (*orders, *sum) = (*orders + 1, *sum + cents);
            // Writing to a string cannot fail.
            let _ = writeln!(csv, "{order},{region},{item},{quantity},{}.{:02}", cents / 100, cents % 100);
        }
    }
    Orders { csv, rows, regions }
}
