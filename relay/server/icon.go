package server

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
)

// The icon is an ear to the ground: rings that come in at a point on a line.
// Both forms are drawn from these measures, on a square of iconSize.
const (
	iconSize   = 256
	iconCorner = 48  // radius of the corners
	iconY      = 172 // of the middle of the ground's line; the point stands on it
	iconPoint  = 18  // radius of the point
	iconStroke = 12  // width of a ring and of the ground's line
	iconEdge   = 22  // what the ground's line leaves free on each side
)

var (
	iconRings  = []float64{38, 62, 86} // radii
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
	switch {
	case math.Abs(dy) < iconStroke/2.0 && math.Abs(dx) < half-iconEdge, dy < 0 && d < iconPoint:
		return iconInk, true
	case dy < 0:
		for _, ring := range iconRings {
			if math.Abs(d-ring) < iconStroke/2.0 {
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
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d"><rect width="%[1]d" height="%[1]d" rx="%[2]d" fill="%[3]s"/><g fill="none" stroke="%[4]s" stroke-width="%[5]d"><path d="M%[6]d %[7]dH%[8]d"/>`,
		iconSize, iconCorner, hex(iconGround), hex(iconInk), iconStroke, iconEdge, iconY, iconSize-iconEdge)
	arc := func(r float64) string {
		return fmt.Sprintf("M%g %dA%g %g 0 0 1 %g %d", iconSize/2-r, iconY, r, r, iconSize/2+r, iconY)
	}
	for _, r := range iconRings {
		fmt.Fprintf(&b, `<path d="%s"/>`, arc(r))
	}
	fmt.Fprintf(&b, `</g><path d="%sZ" fill="%s"/></svg>`+"\n", arc(iconPoint), hex(iconInk))
	return b.Bytes()
}
