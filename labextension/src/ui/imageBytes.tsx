import { useEffect, useState, type ReactElement } from 'react';

/** Bytes drawn by an `img` from memory: no address of the server is opened as a document. */
export function ImageBytes(props: { bytes: BlobPart; type: string; alt: string }): ReactElement {
  const { bytes, type, alt } = props;
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    const created = URL.createObjectURL(new Blob([bytes], { type }));
    setUrl(created);
    return () => URL.revokeObjectURL(created);
  }, [bytes, type]);
  return <>{url && <img className="jp-aml-image" src={url} alt={alt} />}</>;
}
