"""Files that say of themselves that their picture was made by a trained model and shows nothing that ever was."""

from __future__ import annotations

from xml.sax.saxutils import escape

from i2i.errors import UsageError, printable
from i2i.images.formats import FORMAT_OF_SUFFIX, Format

# of the IPTC's list of digital source types (IPTC Photo Metadata Standard), which search engines and archives read
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MARKED = {suffix: format for suffix, format in FORMAT_OF_SUFFIX.items() if format.profile}  # they have room for XMP
PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" \
xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">\
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType><xmp:CreatorTool>i2i</xmp:CreatorTool>\
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>\
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


def synthetic_xmp(text: str) -> bytes:
    """An XMP packet with the IPTC's digital source type of generated pictures; `text` describes this one."""
    return PACKET.format(source=TRAINED, text=escape(printable(text))).encode()


def marked_format(suffix: str) -> Format:
    """The format of a suffix such as `.png`. Raises UsageError where its files cannot say that they are synthetic."""
    try:
        return MARKED[suffix.lower()]
    except KeyError:
        what = f"no picture that says that it is synthetic can be written with the suffix '{suffix}'."
        raise UsageError(what, hint=f"Known: {' '.join(sorted(MARKED))}") from None
