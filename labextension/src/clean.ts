/**
 * What of a picture or formula may enter a page that nobody has trusted: elements and attributes that only show
 * something. Style sheets stay outside; the extension has its own.
 */

const SVG = 'http://www.w3.org/2000/svg';
const MATHML = 'http://www.w3.org/1998/Math/MathML';

const ELEMENTS: Record<string, Set<string>> = {
  [SVG]: new Set('svg g path polygon polyline ellipse circle rect line text tspan title desc'.split(' ')),
  [MATHML]: new Set(
    'math mrow mi mn mo mtext mspace msub msup msubsup mfrac msqrt mroot munder mover munderover mtable mtr mtd mstyle'.split(' ')
  )
};

const ATTRIBUTES = new Set(
  (
    'id class role aria-labelledby width height viewBox data-value data-param fill stroke stroke-width ' +
    'stroke-dasharray stroke-linecap stroke-linejoin d points x y cx cy r rx ry x1 y1 x2 y2 dx dy transform opacity ' +
    'text-anchor font-family font-size font-style font-weight mathcolor mathvariant stretchy lspace rspace fence ' +
    'separator form accent columnalign displaystyle scriptlevel linethickness'
  ).split(' ')
);

export function cleanSvg(text: string): SVGSVGElement | null {
  const root = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  return root.namespaceURI === SVG && root.localName === 'svg' ? (clean(root) as SVGSVGElement) : null;
}

export function cleanMath(text: string): Element | null {
  const root = new DOMParser().parseFromString(text, 'text/html').body.firstElementChild;
  return root && root.namespaceURI === MATHML ? clean(root) : null;
}

function clean(root: Element): Element {
  const kept = document.importNode(root, true);
  for (const element of [kept, ...Array.from(kept.querySelectorAll('*'))]) {
    if (!ELEMENTS[element.namespaceURI ?? '']?.has(element.localName)) {
      element.remove();
      continue;
    }
    for (const { name, value } of Array.from(element.attributes)) {
      const own = name !== 'id' || value.startsWith('sq');
      if (!ATTRIBUTES.has(name) || !own || /url\s*\(|javascript:/i.test(value)) {
        element.removeAttribute(name);
      }
    }
  }
  return kept;
}
