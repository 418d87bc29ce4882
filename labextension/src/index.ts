import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { EditorExtensionRegistry, IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { seqnetCells } from './cells';
import { seqnet } from './language';
import { factory } from './renderer';

const RANK = 40; // before text/html (50) and image/svg+xml (80)

const cells: JupyterFrontEndPlugin<void> = {
  id: 'sqmagic-labextension:cells',
  description: 'Colours %%seqnet and %%seqproof cells.',
  autoStart: true,
  requires: [IEditorExtensionRegistry],
  activate: (_: JupyterFrontEnd, extensions: IEditorExtensionRegistry) => {
    extensions.addExtension({
      name: 'sqmagic-labextension:cells',
      factory: ({ model }) => EditorExtensionRegistry.createImmutableExtension(seqnetCells(model.sharedModel.getSource()))
    });
  }
};

const language: JupyterFrontEndPlugin<void> = {
  id: 'sqmagic-labextension:language',
  description: 'Colours .sqn files and seqnet fences in Markdown.',
  autoStart: true,
  requires: [IEditorLanguageRegistry],
  activate: (_: JupyterFrontEnd, languages: IEditorLanguageRegistry) => {
    if (!languages.findByName('seqnet')) {
      languages.addLanguage({
        name: 'seqnet',
        displayName: 'Seqnet',
        alias: ['seqproof'],
        mime: 'text/x-seqnet',
        extensions: ['sqn'],
        support: seqnet()
      });
    }
  }
};

const files: JupyterFrontEndPlugin<void> = {
  id: 'sqmagic-labextension:files',
  description: 'Tells the document registry of .sqn files.',
  autoStart: true,
  activate: ({ docRegistry }: JupyterFrontEnd) => {
    if (!docRegistry.getFileType('seqnet')) {
      docRegistry.addFileType({
        name: 'seqnet',
        displayName: 'Seqnet program',
        mimeTypes: ['text/x-seqnet'],
        extensions: ['.sqn'],
        fileFormat: 'text',
        contentType: 'file'
      });
    }
  }
};

const renderer: JupyterFrontEndPlugin<void> = {
  id: 'sqmagic-labextension:renderer',
  description: 'Shows programs: picture and equations side by side.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (_: JupyterFrontEnd, rendermime: IRenderMimeRegistry) => rendermime.addFactory(factory, RANK)
};

export default [cells, language, files, renderer];
