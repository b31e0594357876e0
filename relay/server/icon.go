package server

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// The icon is an ear to the ground: rings that come in at a point. Both forms
// are drawn from these measures, on a square of iconSize.
const (
	iconSize   = 256
	iconCorner = 39  // radius of the corners
	iconY      = 184 // of the point that listens; it stands in the middle
	iconPoint  = 17  // radius of the point
	iconStroke = 18  // width of a ring
	iconSlope  = 1.5 // how far a ring reaches to the side for each step up
)

var (
	iconRings  = []float64{55, 95, 135} // radii
	iconGround = color.NRGBA{0x1d, 0x3b, 0x4f, 0xff}
	iconInk    = color.NRGBA{0xf2, 0xc1, 0x4e, 0xff}
)

// iconPNG draws the icon as a picture, each pixel from 16 samples so that its
// edges are smooth.
func iconPNG() ([]byte, error) {
	const fine = 4
	img := image.NewNRGBA(image.Rect(0, 0, iconSize, iconSize))
	for y := range iconSize {
		for x := range iconSize {
			var r, g, b, n int
			for k := range fine * fine {
				c, ok := iconAt(float64(x)+(float64(k%fine)+0.5)/fine, float64(y)+(float64(k/fine)+0.5)/fine)
				if ok {
					r, g, b, n = r+int(c.R), g+int(c.G), b+int(c.B), n+1
				}
			}
			if n > 0 {
				img.SetNRGBA(x, y, color.NRGBA{uint8(r / n), uint8(g / n), uint8(b / n), uint8(n * 255 / (fine * fine))})
			}
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// iconAt is the icon's colour at a place; false outside its round corners.
func iconAt(x, y float64) (color.NRGBA, bool) {
	const half, flat = iconSize / 2.0, iconSize/2.0 - iconCorner
	if math.Hypot(math.Max(0, math.Abs(x-half)-flat), math.Max(0, math.Abs(y-half)-flat)) > iconCorner {
		return color.NRGBA{}, false
	}
	dx, dy := x-half, y-iconY
	d := math.Hypot(dx, dy)
	if d < iconPoint {
		return iconInk, true
	}
	if dy < 0 && math.Abs(dx) < -dy*iconSlope {
		for _, ring := range iconRings {
			if math.Abs(d-ring) < iconStroke/2 {
				return iconInk, true
			}
		}
	}
	return iconGround, true
}

// iconSVG draws the same with lines.
func iconSVG() []byte {
	hex := func(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"><rect width="%d" height="%d" rx="%d" fill="%s"/><circle cx="%d" cy="%d" r="%d" fill="%s"/><g fill="none" stroke="%s" stroke-width="%d">`,
		iconSize, iconSize, iconSize, iconSize, iconCorner, hex(iconGround), iconSize/2, iconY, iconPoint, hex(iconInk), hex(iconInk), iconStroke)
	up := 1 / math.Hypot(1, iconSlope) // of a ring's ends, for a radius of one
	for _, r := range iconRings {
		fmt.Fprintf(&b, `<path d="M%.1f %.1fA%g %g 0 0 1 %.1f %.1f"/>`, iconSize/2-r*up*iconSlope, iconY-r*up, r, r, iconSize/2+r*up*iconSlope, iconY-r*up)
	}
	b.WriteString("</g></svg>\n")
	return b.Bytes()
}
